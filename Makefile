# make demo   Qwen3-0.6B on two virtual boards at 1, 2 and 3 NPU cores: logs, table, spreadsheets, reports
# make test   every check that needs no machine of its own; sets itself up from a fresh clone
# make test-vm   the same driver against whole Linux machines: reboots, power cuts, full disks (about a quarter of an hour on two cores)
# make chaos N=300 [FIRST=1000]   campaigns that all kinds of trouble befall, compared with what really happened
.PHONY: demo test test-vm lint types shell-lint unit chaos benchmark clean
BIN := .venv/bin
# Hundreds of tests start the tool anew: where bytecode may not be kept, each of them would compile all of it again.
export PYTHONDONTWRITEBYTECODE =

demo:
	@sh dev/setup.sh run
	@$(BIN)/invoke demo

test:
	@sh dev/setup.sh test
	@$(MAKE) --no-print-directory lint types shell-lint unit

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/mypy

shell-lint:
	$(BIN)/shellcheck -x -a -s sh -o check-set-e-suppressed,add-default-case $$(grep -L '; a part of ' board_scripts/*.sh) dev/*.sh tests/vm/*.sh

unit:
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-vm:
	@sh dev/setup.sh vm
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/vm

chaos: FIRST ?= 1000
chaos: N ?= 300
chaos:
	@sh dev/setup.sh test
	$(BIN)/python -m tests.chaos --seeds $(FIRST)..$$(($(FIRST) + $(N) - 1)) --jobs 2

benchmark:
	@sh dev/setup.sh benchmark
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv .virtual .pytest_cache .mypy_cache .ruff_cache .hypothesis
