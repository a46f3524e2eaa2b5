"""python -m avtar_ros.demo"""

import sys

from avtar_ros.demo.demo import main

sys.exit(main())
