// Real deployment files are a few KiB; each limit leaves a hundred times that and keeps a hostile file under a second.

/** The largest file that is looked into. */
export const maxFileBytes = 2 ** 20;
/** Collections within collections. */
export const maxDepth = 64;
/** Values of a file, each alias counted as what it stands for. */
export const maxValues = 20_000;
/** The parser takes several microseconds for each line, empty ones and comments too. */
export const maxLines = 50_000;
export const maxDocuments = 100;
