"""The best schedule under a law: ranking given ones, and searching for a better."""
