# SPDX-License-Identifier: MIT
# What `dockmpi import` reads; tests/golden/import-terraform holds an example. A worker's name is its type
# and a number, so it says which image profile it wants.

output "hosts" {
  description = "Every instance, the launcher first."
  value = [
    for name in concat(["launcher"], keys(local.worker_types)) : {
      name          = name
      instance_id   = aws_instance.this[name].id
      instance_type = aws_instance.this[name].instance_type
      public_ip     = aws_instance.this[name].public_ip
      private_ip    = aws_instance.this[name].private_ip
      ssh_user      = local.user[name]
    }
  ]
}

output "security_group" {
  description = "The security group of all instances, for further rules."
  value       = aws_security_group.this.id
}
