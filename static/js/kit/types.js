/** The documents of the service, as types. */

/**
 * @typedef {{
 *   id: string, timestampKey: string, name: string, contentType: string, kind: 'image' | 'video' | 'audio' | 'other',
 *   sizeBytes: number, sha256: string | null, width: number | null, height: number | null,
 *   durationSeconds: number | null, frameRate: number | null, rotation: number | null,
 *   details: 'complete' | 'pending' | 'unknown', largeFile: boolean, buffer: string | null,
 *   path: string, url: string, createdAt: string, expiresAt: string | null, filePath?: string,
 *   presets?: Record<string, string>, hls?: string,
 * }} MediaItem
 * @typedef {{x: number, y: number, z: number, visibility?: number}} Landmark
 * @typedef {{label: string, score: number}} Label
 * @typedef {{
 *   landmarks: Landmark[], worldLandmarks?: Landmark[], handedness?: Label, gesture?: Label,
 *   box?: {x: number, y: number, width: number, height: number}, score?: number, blendshapes?: Record<string, number>,
 *   mask?: {width: number, height: number, coverage: number, png?: string},
 * }} Detection
 * @typedef {{
 *   task: string, width: number, height: number, analyzedWidth: number, analyzedHeight: number, mode: string,
 *   detections: Detection[], timing: {queuedSeconds: number, decodeSeconds: number, inferenceSeconds: number},
 * }} Analysis
 * @typedef {{name: string, summary: string, state: 'unloaded' | 'loading' | 'ready' | 'missing',
 *   residentBytes: number, idleSeconds: number | null, parameters: Record<string, any>}} Task
 */

export {};
