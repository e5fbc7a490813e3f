"""A MAGDA one can talk to: an invented population, real SOAP over real HTTP, and every fault on demand."""
