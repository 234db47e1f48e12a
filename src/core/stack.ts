/** One deployment of one repository in one environment: what is applied, routed, paused and shown as a unit. */
export interface StackName {
  readonly repository: string;
  readonly environment: string;
  readonly deployment: string;
}

/** `repository/environment/deployment`: the stack's name in logs, keys and queue names. */
export const stackKey = ({ repository, environment, deployment }: StackName): string =>
  `${repository}/${environment}/${deployment}`;
