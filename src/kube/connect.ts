/** From a configuration to a client. */
import { Client } from './client.ts'
import { type ConfigSource, type KubeConfig, loadConfig } from './config.ts'
import { Discovery } from './discovery.ts'
import { Transport, type TransportOptions } from './transport.ts'

/**
 * A client for the cluster that kubeconfig, KUBECONFIG or the pod's service account names. Nothing is requested yet.
 * @throws Error that says what is missing in which file.
 */
export async function connect(options: ConfigSource & TransportOptions = {}): Promise<Client> {
  return connectTo(await loadConfig(options), options)
}

/** A client for a configuration that is there already (`parseConfig`: remote clusters). */
export function connectTo(config: KubeConfig, options: TransportOptions = {}): Client {
  const transport = new Transport(config, options)
  const client = new Client(transport, new Discovery(transport))
  return config.identity ? client.as(config.identity) : client
}
