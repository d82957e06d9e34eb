/** @module The version, put in by the build from package.json. */
declare const TORTIE_VERSION: string | undefined;

export const VERSION: string = typeof TORTIE_VERSION === "string" ? TORTIE_VERSION : "0.0.0-source";
