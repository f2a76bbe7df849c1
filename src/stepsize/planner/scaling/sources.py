"""The works that the planner's numbers come from, and how far each was checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

Standing = Literal["read", "quoted", "recalled", "convention", "measured"]
"""How far a number was checked.

read: in the work itself, or in its authors' code. quoted: in another work that quotes
it. recalled: from notes and memory of the work, not looked up in it again; some of them
are tested against numbers recalled likewise, which finds slips of ours, not of memory.
convention: practice without a single source. measured: by this project.
"""


@final
@dataclass(frozen=True, slots=True)
class Source:
    """Where a number or a formula comes from.

    Attributes:
        work: Authors and year, or the name of a code.
        place: Identifier and place in it, as in "arXiv:1706.02677, section 2.1".
        standing: How far it was checked, one of `Standing`.

    Examples:
        >>> print(Source("Goyal et al. 2017", "arXiv:1706.02677", "quoted"))
        Goyal et al. 2017, arXiv:1706.02677
    """

    work: str
    place: str
    standing: Standing

    def to_dict(self) -> dict[str, str]:
        """Return it as a JSON-plain mapping."""
        return {"work": self.work, "place": self.place, "standing": self.standing}

    def __str__(self) -> str:
        """Return work and place, and the standing where it is no source."""
        text = f"{self.work}, {self.place}" if self.place else self.work
        if self.standing in {"convention", "measured"}:
            return f"{text} ({self.standing})"
        return text


# --- batch ------------------------------------------------------------------------
GOYAL = Source("Goyal et al. 2017", "arXiv:1706.02677, section 2.1, table 2", "quoted")
KRIZHEVSKY = Source("Krizhevsky 2014", "arXiv:1404.5997, section 5", "recalled")
HOFFER = Source("Hoffer et al. 2017", "arXiv:1705.08741, section 4", "recalled")
SHALLUE = Source("Shallue et al. 2019", "arXiv:1811.03600", "recalled")
MALLADI = Source("Malladi et al. 2022", "arXiv:2205.10287, section 5", "recalled")
SURGE = Source("Li et al. 2024", "arXiv:2405.14578, section 2", "recalled")
NOISE = Source("McCandlish et al. 2018", "arXiv:1812.06162, section 2, A.1", "quoted")
LAMB = Source("You et al. 2020", "arXiv:1904.00962, table 4", "recalled")
# --- weight decay, warmup, horizon, width --------------------------------------------
TIMESCALE = Source("Wang & Aitchison 2024", "arXiv:2405.13698", "quoted")
POWER_LINES = Source("Bergsma et al. 2025", "arXiv:2505.13738, section 3", "quoted")
UNTUNED = Source("Ma & Yarats 2019", "arXiv:1910.04209; pytorch_warmup", "read")
WARMUP_WHY = Source("Kalra & Barkeshli 2024", "arXiv:2406.09405", "read")
TOKEN_HORIZON = Source("Bjorck et al. 2024", "arXiv:2409.19913, section 4", "quoted")
KAPLAN = Source("Kaplan et al. 2020", "arXiv:2001.08361, eq. D.1", "quoted")
# --- recipes --------------------------------------------------------------------------
GPT3 = Source("Brown et al. 2020", "arXiv:2005.14165, table 2.1, appendix B", "quoted")
TO_ZERO = Source("Bergsma et al. 2025", "arXiv:2502.15938", "read")
COOLDOWN = Source("Hägele et al. 2024", "arXiv:2405.18392", "recalled")
MINICPM = Source("Hu et al. 2024", "arXiv:2404.06395, section 4", "recalled")
SGDR = Source("Loshchilov & Hutter 2017", "arXiv:1608.03983, section 4", "recalled")
BUDGETED = Source("Li et al. 2020", "arXiv:1905.04753", "read")
BERT = Source("Devlin et al. 2019", "arXiv:1810.04805, appendix A.3", "recalled")
ELECTRA = Source("Clark et al. 2020", "electra/configure_finetuning.py", "read")
MAE = Source("He et al. 2022", "mae/FINETUNE.md", "read")
ULMFIT = Source("Howard & Ruder 2018", "arXiv:1801.06146, section 3", "quoted")
LORA = Source("Thinking Machines 2025", "tinker_cookbook/hyperparam_utils.py", "read")
MUON = Source("Jordan et al. 2024", "Muon/README.md", "read")
MOONLIGHT = Source("Liu et al. 2025", "arXiv:2502.16982", "recalled")
LION = Source("Chen et al. 2023", "automl/lion/README.md", "read")
SCHEDULE_FREE = Source("Defazio et al. 2024", "schedule_free/README.md", "read")
PRODIGY = Source("Mishchenko & Defazio 2024", "prodigyopt/prodigy.py; optax", "read")
D_ADAPTATION = Source("Defazio & Mishchenko 2023", "arXiv:2301.07733", "recalled")
T5 = Source("Raffel et al. 2020", "arXiv:1910.10683, section 3.5", "recalled")
ADAM = Source("Kingma & Ba 2015", "arXiv:1412.6980, algorithm 1", "recalled")
PRACTICE = Source("common practice", "", "convention")
DEIT = Source("Touvron et al. 2021", "arXiv:2012.12877, table 9", "recalled")
VIT = Source("Dosovitskiy et al. 2021", "arXiv:2010.11929, table 4", "recalled")
DEFAULTS = Source("default of torch 2.13", "", "read")
WORKLOADS = Source("grids of the built-in workloads", "", "measured")
