"""What the load balancer does with a request that no rule forwards."""

from __future__ import annotations

import pulumi_aws as aws

NO_SERVICE = """\
<!doctype html><html lang="en"><meta charset="utf-8"><title>careapp: ECS is off</title>
<h1>ECS is off</h1>
<p>The network, the database and the image are there; the app does not run yet. Start it with:</p>
<pre>pulumi config set ecsEnabled true
pulumi up</pre>
</html>
"""
"""ELB allows a fixed response 1024 bytes (botocore, FixedResponseActionConfig)."""


def ecs_is_off() -> aws.lb.ListenerDefaultActionArgs:
    """503, and how ECS is turned on."""
    return aws.lb.ListenerDefaultActionArgs(
        type="fixed-response",
        fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
            status_code="503", content_type="text/html", message_body=NO_SERVICE
        ),
    )


def to_https(port: int) -> aws.lb.ListenerDefaultActionArgs:
    """301 to the same place by HTTPS; ELB keeps host, path and query where nothing is said."""
    return aws.lb.ListenerDefaultActionArgs(
        type="redirect",
        redirect=aws.lb.ListenerDefaultActionRedirectArgs(
            protocol="HTTPS", port=str(port), status_code="HTTP_301"
        ),
    )
