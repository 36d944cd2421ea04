/** Answers in JSON, from every task. */
/**
 * Return the parameters that make a task answer JSON: `segmentation` would answer its mask as a picture.
 * @param {string} task
 * @param {Record<string, any>} params
 * @returns {Record<string, any>}
 */
export function inJson(task: string, params: Record<string, any>): Record<string, any>;
