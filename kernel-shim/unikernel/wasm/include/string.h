/** In the place of the C library's header, which generated code includes. */
#include "../../memory/bytes.h"
