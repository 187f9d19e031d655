/** In the place of the C library's header, which generated code includes: its assertions are about its own start. */
#ifndef assert
#define assert(condition) ((void)0)
#endif
