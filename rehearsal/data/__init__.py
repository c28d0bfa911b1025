"""The data plane: what makes the pretended load balancer, tasks and database really happen."""
