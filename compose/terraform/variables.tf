# SPDX-License-Identifier: MIT

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"
}

variable "availability_zone" {
  description = "Zone for all instances, such as us-east-1b; empty: AWS chooses. GPU types are not in every zone."
  type        = string
  default     = ""
}

variable "name" {
  description = "Prefix of everything that is made."
  type        = string
  default     = "dockmpi"
}

variable "my_address" {
  description = "Where ssh is allowed from, as CIDR block: your own address, such as 203.0.113.7/32."
  type        = string

  validation {
    condition     = can(cidrhost(var.my_address, 0))
    error_message = "The value of my_address must be a CIDR block such as 203.0.113.7/32."
  }
}

variable "public_key_file" {
  description = "The ssh public key that the instances accept."
  type        = string
  default     = "~/.ssh/id_ed25519.pub"
}

variable "launcher_type" {
  description = "Instance type of the launcher."
  type        = string
  default     = "t3.micro"
}

variable "workers" {
  description = "How many workers of which instance type, such as { \"t3.medium\" = 2, \"g4dn.xlarge\" = 1 }."
  type        = map(number)
  default     = { "t3.medium" = 2 }

  validation {
    condition     = alltrue([for type in keys(var.workers) : can(regex("^(t3|g4dn|g4ad)\\.", type))])
    error_message = "Workers are of the families t3, g4dn and g4ad: others are neither x86-64 for sure nor known to the image profiles."
  }

  validation {
    condition     = alltrue([for n in values(var.workers) : n >= 0 && floor(n) == n])
    error_message = "The number of workers of a type must be a whole number."
  }
}

variable "distribution" {
  description = "What the instances run: ubuntu (24.04) or debian (12)."
  type        = string
  default     = "ubuntu"

  validation {
    condition     = contains(["ubuntu", "debian"], var.distribution)
    error_message = "The distribution must be ubuntu or debian."
  }
}

variable "nvidia_ready_image" {
  description = "g4dn workers run the AWS Deep Learning Base AMI (Ubuntu), which has driver and container toolkit."
  type        = bool
  default     = true
}

variable "disk_gib" {
  description = "Size of each root disk in GiB; 100 at least on GPU workers, whose images are large."
  type        = number
  default     = 40
}

variable "network" {
  description = "Address range of the network that is made."
  type        = string
  default     = "10.77.0.0/16"
}
