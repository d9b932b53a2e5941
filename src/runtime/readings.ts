/** Gauges that are read from the parts of the process whenever somebody asks for metrics: nothing is counted along the way. */
import { Gauge, type Registry } from 'prom-client'

/** What the parts of the process say of themselves. Each is asked at every scrape: it answers from memory, or quickly. */
export interface Readings {
  readonly workers?: () => PoolReading
  /** Objects in the caches, by kind. */
  readonly cachedObjects?: () => ReadonlyMap<string, number>
  /** Events that wait to be sent, by sink. */
  readonly waitingEvents?: () => Readonly<Record<string, number>>
  readonly storage?: () => Promise<StorageReading>
}

export interface PoolReading {
  readonly threads: number
  readonly running: number
  readonly waiting: number
}

/** In bytes. */
export interface StorageReading {
  readonly stored: number
  /** Of the volume, for everybody who writes to it. */
  readonly size: number
  readonly available: number
}

/** Declares the gauges of what can be read; what a process does not have has no series. */
export function exportReadings(registry: Registry, { workers, cachedObjects, waitingEvents, storage }: Readings): void {
  const registers = [registry]
  if (workers) exportPool(registers, workers)
  if (storage) exportStorage(registers, storage)
  if (cachedObjects)
    new Gauge({
      name: 'flux_cached_objects',
      help: 'Objects that are kept in memory to answer without asking the Kubernetes API, by kind.',
      labelNames: ['kind'] as const,
      registers,
      collect() {
        this.reset()
        for (const [kind, count] of cachedObjects()) this.set({ kind }, count)
      },
    })
  if (waitingEvents)
    new Gauge({
      name: 'flux_events_waiting',
      help: 'Events that are on their way, by sink (kubernetes, webhook, notification).',
      labelNames: ['sink'] as const,
      registers,
      collect() {
        for (const [sink, count] of Object.entries(waitingEvents())) this.set({ sink }, count)
      },
    })
}

function exportPool(registers: Registry[], workers: () => PoolReading): void {
  new Gauge({
    name: 'flux_worker_threads',
    help: 'Threads of the pool that fetches, builds and renders.',
    registers,
    collect() {
      this.set(workers().threads)
    },
  })
  new Gauge({
    name: 'flux_worker_tasks',
    help: 'Tasks of the pool that fetches, builds and renders, by state (running, waiting for a thread).',
    labelNames: ['state'] as const,
    registers,
    collect() {
      const { running, waiting } = workers()
      this.set({ state: 'running' }, running)
      this.set({ state: 'waiting' }, waiting)
    },
  })
}

function exportStorage(registers: Registry[], storage: () => Promise<StorageReading>): void {
  const gauge = (name: string, help: string, pick: (reading: StorageReading) => number) =>
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(pick(await storage()))
      },
    })
  gauge('flux_artifact_storage_used_bytes', 'Size of the stored artifacts.', ({ stored }) => stored)
  gauge('flux_artifact_storage_size_bytes', 'Size of the volume that artifacts are stored on.', ({ size }) => size)
  gauge(
    'flux_artifact_storage_available_bytes',
    'What is left of the volume that artifacts are stored on, whoever uses the rest.',
    ({ available }) => available,
  )
}
