/** In the place of the C library's header, which generated code includes. */
#define alloca __builtin_alloca
