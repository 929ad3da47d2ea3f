"""One module per page: what it shows, in the order it is shown. Each calls services and renders a template."""
