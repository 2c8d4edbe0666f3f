terraform {
  required_providers {
    nomadscale = {
      source = "nomadscale/nomadscale"
    }
  }
}

# Arguments that are not set are read from NOMAD_ADDR, NOMAD_TOKEN and the other
# NOMAD_* variables.
provider "nomadscale" {
  address = "https://nomad.example.com:4646"
  region  = "global"
}
