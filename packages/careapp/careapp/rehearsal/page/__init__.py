"""The rehearsal's page: one place that shows what AWS's console would need six pages for."""
