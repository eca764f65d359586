import * as louder from "../examples/louder.js";
import * as redact from "../examples/redact.js";
import * as route from "../examples/route.js";
import * as split from "../examples/split.js";
import { testExample } from "./cases.js";

testExample("louder", louder);
testExample("redact", redact);
testExample("route", route);
testExample("split", split);
