"""Loss laws measured: on recorded language models, and on a bank trained here."""
