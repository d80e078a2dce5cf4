"""parallel-ssh's client of the facts benchmark: the script as standard input of ``sh -s``, as ours sends it."""

import json
from pathlib import Path

from pssh.clients import ParallelSSHClient
from pssh.config import HostConfig

about = json.loads(Path("boards.json").read_text())
boards = about["boards"]
client = ParallelSSHClient(
    ["127.0.0.1"] * len(boards),
    host_config=[
        HostConfig(user=one["user"], port=one["port"], private_key=one["key"], allow_agent=False, identity_auth=False)
        for one in boards
    ],
    pool_size=len(boards),
)
answers = client.run_command("sh -s --")
for answer in answers:
    answer.stdin.write(about["script"])
    answer.stdin.flush()
    answer.client.eagain(answer.channel.send_eof)
client.join(answers)
print(sum(json.loads("".join(answer.stdout))["schema"] == 1 for answer in answers))
