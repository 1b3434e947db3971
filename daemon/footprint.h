/* Memory that start-up needed and nobody needs again. */
#pragma once

/* Before anything is allocated: large packet buffers go back to the system when they are freed. */
void footprint_begin(void);

/* Once everything is set up: give back what only setting up has touched. Costs a page fault for
 * each part that is used again after all. */
void footprint_settle(void);
