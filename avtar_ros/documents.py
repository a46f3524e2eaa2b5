"""What reading a document raises that is none, or not as it must be: JSON, YAML, and the fields in them."""

from __future__ import annotations

import yaml

NO_JSON = (ValueError, RecursionError)
"""Of `json.loads`, and of text that is none: damaged, too deep, or with a number of too many digits."""
NO_YAML = (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError, AttributeError, IndexError)
"""Of `yaml.safe_load`: its constructors raise what they meet on the way, as of dates that there are not."""
OTHER_FIELDS = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""Of taking fields out of a document, and numbers out of fields, as if they were all there and of their kind."""
