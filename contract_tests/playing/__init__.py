"""Playing stories against a service, within limits of money, time and size; what comes of it is a history."""
