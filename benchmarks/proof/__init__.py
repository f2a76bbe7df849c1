"""`make proof`: what schedules do, on eight tasks, into docs/proof/."""
