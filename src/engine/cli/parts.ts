import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import type { Provider } from "../provider.ts";
import type { SecretBox } from "../state.ts";
import type { StackCommands } from "./process/stack-commands.ts";

/** What the engine's parts work with. */
export interface CliParts {
  readonly commands: StackCommands;
  readonly providers: Readonly<Record<string, Provider>>;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly log: Log;
}
