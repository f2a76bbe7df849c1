"""Two recorded runs of a character model: predict other schedules, then train them.

Needs: pip install 'stepsize[torch]'; the text is Python's own standard library.
"""

import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import stepsize as ss
from stepsize.adapters.torch import Scheduler
from stepsize.ledger import Ledger
from stepsize.planner import fit, predict, rank
from stepsize.planner.records import read_run, read_runs

STEPS, CONTEXT = 1200, 8
modules = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
text = "".join(path.read_text(encoding="utf-8") for path in modules)[:1_000_000]
codes = torch.tensor(list(text.encode("ascii", "replace")))
windows = codes.unfold(0, CONTEXT + 1, 1)
learned, held_out = windows[:900_000], windows[900_000::24]  # fixed, for all readings


def train(schedule: ss.Schedule, folder: Path) -> Path:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Embedding(128, 16),
        torch.nn.Flatten(),
        torch.nn.Linear(16 * CONTEXT, 128),
        torch.nn.ReLU(),
        torch.nn.Linear(128, 128),
    )
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
    with Ledger(folder) as ledger:
        scheduler = Scheduler(optimizer, lr=schedule, total_steps=STEPS, ledger=ledger)
        for update in range(STEPS + 1):
            if update % 24 == 0:
                with torch.no_grad():
                    logits = model(held_out[:, :-1])
                    loss = torch.nn.functional.cross_entropy(logits, held_out[:, -1])
                ledger.metric(update, val_loss=float(loss))
            if update == STEPS:
                break
            batch = learned[torch.randint(len(learned), (64,))]
            logits = model(batch[:, :-1])
            torch.nn.functional.cross_entropy(logits, batch[:, -1]).backward()
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return folder


rise = 1e-2 * ss.warmup(50)
with TemporaryDirectory() as temporary:
    place = Path(temporary)
    known = {"constant": rise >> ss.hold(), "wsd": rise >> ss.hold() >> ss.decay("20%")}
    runs = [train(schedule, place / name) for name, schedule in known.items()]
    law = fit(read_runs(runs))
    print(law)
    others = {
        "cosine": rise >> ss.cosine(),
        "linear": rise >> ss.linear(),
        "optimum": law.optimize(steps=STEPS, warmup=50),
    }
    for one in rank(law, known | others, steps=STEPS):
        chance = f"best with probability {one.p_best:.0%}"
        print(f"{one.name:9} {one.low:.3f} to {one.high:.3f}, {chance}")
    inside = 0
    for name, schedule in others.items():
        real = read_run(train(schedule, place / name))
        made = predict(law, schedule, steps=STEPS)
        inside += bool(made.low[-1] <= real.losses[-1] <= made.high[-1])
        print(f"{name:9} predicted {made.mean[-1]:.3f}, read {real.losses[-1]:.3f}")
    print(f"{inside} of {len(others)} within their 90 % intervals")
