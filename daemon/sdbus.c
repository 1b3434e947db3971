#include "daemon/sdbus.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

int sdbus_load(struct sdbus *sd)
{
	bool whole = true;

	if (sd->library)
		return 0;
	sd->library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!sd->library)
		return -ENOPKG;
#define SDBUS_LOOK_UP(name) whole &= !!(sd->name = dlsym(sd->library, "sd_bus_" #name));
	SDBUS_CALLS(SDBUS_LOOK_UP)
#undef SDBUS_LOOK_UP
	if (!whole)
		sdbus_unload(sd);
	return whole ? 0 : -ENOPKG;
}

void sdbus_unload(struct sdbus *sd)
{
	if (sd->library)
		dlclose(sd->library);
	*sd = (struct sdbus){0};
}
