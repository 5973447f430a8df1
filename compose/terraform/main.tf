# SPDX-License-Identifier: MIT
# One launcher and some workers on EC2, in a network of their own, made hosts for dockmpi by cloud-init.

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = var.name }
  }
}

locals {
  worker_types = merge([
    for type, n in var.workers : {
      for i in range(n) : format("%s-%d", replace(type, ".", "-"), i) => type
    }
  ]...)
  types = merge({ launcher = var.launcher_type }, local.worker_types)

  gpu    = { for name, type in local.types : name => can(regex("^g4", type)) }
  nvidia = { for name, type in local.types : name => can(regex("^g4dn\\.", type)) && var.nvidia_ready_image }
  user   = { for name, type in local.types : name => local.nvidia[name] || var.distribution == "ubuntu" ? "ubuntu" : "admin" }
}

# ---- images ---------------------------------------------------------------------------------------

data "aws_ami" "ubuntu" {
  count       = var.distribution == "ubuntu" ? 1 : 0
  most_recent = true
  owners      = ["099720109477"] # Canonical

  filter {
    name   = "name"
    values = ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"]
  }
}

data "aws_ami" "debian" {
  count       = var.distribution == "debian" ? 1 : 0
  most_recent = true
  owners      = ["136693071363"] # Debian

  filter {
    name   = "name"
    values = ["debian-12-amd64-2*"]
  }
}

data "aws_ami" "nvidia" {
  count       = anytrue(values(local.nvidia)) ? 1 : 0
  most_recent = true
  owners      = ["amazon"]

  filter {
    name   = "name"
    values = ["Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04) *"]
  }

  filter {
    name   = "architecture"
    values = ["x86_64"]
  }
}

# ---- network --------------------------------------------------------------------------------------

resource "aws_vpc" "this" {
  cidr_block           = var.network
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }
}

resource "aws_subnet" "this" {
  vpc_id                  = aws_vpc.this.id
  cidr_block              = cidrsubnet(var.network, 4, 0)
  availability_zone       = var.availability_zone == "" ? null : var.availability_zone
  map_public_ip_on_launch = true
  tags                    = { Name = var.name }
}

resource "aws_route_table" "this" {
  vpc_id = aws_vpc.this.id
  tags   = { Name = var.name }

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.this.id
  }
}

resource "aws_route_table_association" "this" {
  subnet_id      = aws_subnet.this.id
  route_table_id = aws_route_table.this.id
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "dockmpi: ssh from one address, everything between the instances"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = var.name }

  ingress {
    description = "ssh"
    protocol    = "tcp"
    from_port   = 22
    to_port     = 22
    cidr_blocks = [var.my_address]
  }

  ingress {
    description = "between the instances"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    self        = true
  }

  egress {
    description = "anywhere"
    protocol    = "-1"
    from_port   = 0
    to_port     = 0
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# ---- instances ------------------------------------------------------------------------------------

resource "aws_key_pair" "this" {
  key_name   = var.name
  public_key = file(pathexpand(var.public_key_file))
}

resource "aws_instance" "this" {
  for_each = local.types

  instance_type = each.value
  ami = (
    local.nvidia[each.key] ? data.aws_ami.nvidia[0].id :
    var.distribution == "ubuntu" ? data.aws_ami.ubuntu[0].id : data.aws_ami.debian[0].id
  )
  subnet_id              = aws_subnet.this.id
  vpc_security_group_ids = [aws_security_group.this.id]
  key_name               = aws_key_pair.this.key_name
  user_data              = file("${path.module}/../cloud-init/user-data.yaml")
  tags                   = { Name = each.key }

  root_block_device {
    volume_type = "gp3"
    volume_size = local.gpu[each.key] ? max(var.disk_gib, 100) : var.disk_gib
  }

  metadata_options {
    http_tokens = "required"
  }

  # A newer image or other user data is no reason to replace instances that work.
  lifecycle {
    ignore_changes = [ami, user_data]
  }
}
