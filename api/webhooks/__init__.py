"""POST /webhooks/github: deliveries verified and buffered; what they say is for the drain."""
