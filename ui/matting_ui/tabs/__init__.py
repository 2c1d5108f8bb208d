"""The page's tabs: each module has its layout, its wiring and its handlers."""
