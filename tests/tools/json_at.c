/* json_at PATH: the value at connections.0.ike.suite of the JSON on standard input, text without its
 * quotes; an empty line when there is none. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *step_into(const json_t *value, const char *step)
{
	if (json_is_array(value))
		return json_array_get(value, strtoul(step, NULL, 10));
	return json_object_get(value, step);
}

int main(int argc, char **argv)
{
	json_t *whole = json_loadf(stdin, 0, NULL);
	const json_t *value = whole;
	char *text = NULL;

	if (argc != 2)
		return 2;
	for (char *step = strtok(argv[1], "."); step && value; step = strtok(NULL, "."))
		value = step_into(value, step);
	if (!json_is_string(value) && value)
		text = json_dumps(value, JSON_ENCODE_ANY);
	puts(json_is_string(value) ? json_string_value(value) : text ? text : "");
	free(text);
	json_decref(whole);
	return 0;
}
