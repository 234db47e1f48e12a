import type { Generated } from "kysely";
import type { SecretSchema } from "./secrets.ts";
import type { StackSchema } from "./stacks.ts";
import type { AccessSchema } from "./access/tables.ts";
import type { DeliverySchema } from "./deliveries.ts";
import type { ReleaseSchema } from "./release/tables.ts";
import type { RemoteKeysSchema } from "./remote-keys.ts";
import type { RouteSchema } from "./routes.ts";
import type { EventSchema } from "./runs/events.ts";
import type { RunSchema } from "./runs/tables.ts";
import type { RolloutSchema } from "./rollouts/line-book.ts";
import type { ActivitySchema } from "./sleep/book.ts";
import type { QuestionSchema } from "./replicas/questions.ts";

/** Every table; each group's row types live beside its queries. */
export interface Schema
  extends
    DeliverySchema,
    StackSchema,
    SecretSchema,
    ReleaseSchema,
    AccessSchema,
    RouteSchema,
    RemoteKeysSchema,
    RunSchema,
    EventSchema,
    ActivitySchema,
    RolloutSchema,
    QuestionSchema {
  migrations: MigrationTable;
}

interface MigrationTable {
  name: string;
  at: Generated<Date>;
}
