# A service as people write it with the two modules that most use; ecs-gate's README has its last block.

variable "image" {
  type = string
}

variable "release" {
  type = string
}

# What a mistake changes.
variable "command" {
  type    = list(string)
  default = ["gunicorn", "--bind", "0.0.0.0:8000", "shop:app"]
}
variable "path" {
  default = "/up"
}
variable "open" {
  default = 8000
}
variable "public" {
  default = true
}
variable "secrets" {
  type    = list(map(string))
  default = []
}

data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

module "alb" {
  source  = "terraform-aws-modules/alb/aws"
  version = "9.17.0"

  name                       = "shop"
  vpc_id                     = data.aws_vpc.default.id
  subnets                    = data.aws_subnets.default.ids
  enable_deletion_protection = false

  security_group_ingress_rules = {
    http = { from_port = 80, to_port = 80, ip_protocol = "tcp", cidr_ipv4 = "0.0.0.0/0" }
  }
  security_group_egress_rules = {
    all = { ip_protocol = "-1", cidr_ipv4 = "0.0.0.0/0" }
  }
  listeners = {
    http = { port = 80, protocol = "HTTP", forward = { target_group_key = "web" } }
  }
  target_groups = {
    web = {
      protocol             = "HTTP"
      port                 = 8000
      target_type          = "ip"
      create_attachment    = false
      deregistration_delay = 5
      health_check         = { path = var.path, interval = 10, timeout = 5 }
    }
  }
}

module "cluster" {
  source  = "terraform-aws-modules/ecs/aws//modules/cluster"
  version = "5.12.1"

  cluster_name = "shop"
}

module "service" {
  source  = "terraform-aws-modules/ecs/aws//modules/service"
  version = "5.12.1"

  name               = "web"
  cluster_arn        = module.cluster.arn
  cpu                = 256
  memory             = 512
  enable_autoscaling = false
  subnet_ids         = data.aws_subnets.default.ids
  assign_public_ip   = var.public

  deployment_circuit_breaker = { enable = true, rollback = true }
  container_definitions = {
    web = {
      image                    = var.image
      port_mappings            = [{ name = "web", containerPort = 8000, protocol = "tcp" }]
      command                  = var.command
      environment              = [{ name = "RELEASE", value = var.release }]
      secrets                  = var.secrets
      readonly_root_filesystem = false
    }
  }
  load_balancer = {
    web = {
      target_group_arn = module.alb.target_groups["web"].arn
      container_name   = "web"
      container_port   = 8000
    }
  }
  security_group_rules = {
    web = {
      type                     = "ingress"
      from_port                = var.open
      to_port                  = var.open
      protocol                 = "tcp"
      source_security_group_id = module.alb.security_group_id
    }
    all = { type = "egress", from_port = 0, to_port = 0, protocol = "-1", cidr_blocks = ["0.0.0.0/0"] }
  }
}

resource "terraform_data" "gate" {
  triggers_replace = [module.service.task_definition_arn, module.service.id]

  provisioner "local-exec" {
    command = "ecs-gate wait --cluster ${module.cluster.name} --service ${module.service.name} --task-definition ${module.service.task_definition_arn}"
  }
}
