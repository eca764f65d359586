// Makes the package findable by its own name, as it is in a guest's project.

import { existsSync, symlinkSync } from "node:fs";

const link = new URL("../node_modules/as-wappa", import.meta.url);
if (!existsSync(link)) symlinkSync("..", link, "dir");
