"""EventBridge Scheduler: schedules that start ECS tasks."""
