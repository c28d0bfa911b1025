import runpy, json, collections, pulumi
from pathlib import Path
def test_dump(engine, tmp_path, monkeypatch):
    (tmp_path/"webapp").mkdir(); (tmp_path/"webapp"/"Dockerfile").write_text("FROM x"); monkeypatch.chdir(tmp_path)
    acc=collections.defaultdict(set)
    for extra in ({}, {"protect":"true"}):
        engine.configure({"aws:region":"ap-northeast-1"}, ecsEnabled="true", **{"protect":"false",**extra})
        engine.run(lambda: runpy.run_path("/work/main/__main__.py", run_name="__main__"))
    for m in engine.made: acc[m.typ]|=set(m.inputs) if "registry" not in m.inputs else set(m.inputs)
    Path("/tmp/prog/dump.txt").write_text("\n".join(f"{t}: {', '.join(sorted(v))}" for t,v in sorted(acc.items())))
