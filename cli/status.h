/* One connection in full, as text: for status and monitor. */
#pragma once

#include <jansson.h>

#include "cli/cli.h"

void print_connection(const struct cli *cli, const json_t *connection);
