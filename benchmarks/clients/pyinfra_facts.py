"""pyinfra's client of the facts benchmark: a fact whose command is the script, gathered from all hosts at once."""

import json
from pathlib import Path

from pyinfra.api import Config, FactBase, Inventory, State, StringCommand
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.facts import get_facts

about = json.loads(Path("boards.json").read_text())
SCRIPT = about["script"]


class BoardFacts(FactBase):
    """What the script prints."""

    def command(self) -> StringCommand:
        return StringCommand(SCRIPT)

    def process(self, output):
        return json.loads("".join(output))


names = [
    (
        one["name"],
        {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": one["port"],
            "ssh_user": one["user"],
            "ssh_key": one["key"],
            "ssh_known_hosts_file": about["known_hosts"],
            "ssh_strict_host_key_checking": "yes",
        },
    )
    for one in about["boards"]
]
state = State(Inventory((names, {})), Config(PARALLEL=len(names)))
connect_all(state)
answers = get_facts(state, BoardFacts)
print(sum(answer["schema"] == 1 for answer in answers.values()))
disconnect_all(state)
