/* Work that falls into independent pieces, for as many threads as the caller's surroundings lend. Core knows no
 * threads: it hands the pieces over. What is computed must not depend on who does which piece. */
#ifndef ZEROTH_TEAM_H
#define ZEROTH_TEAM_H

#include "zeroth/base.h"

enum { ZO_TEAM_MOST = 8 };

/* Piece i of n. member < width is the same for all pieces that one thread does, and another's at no time: scratch
 * memory can be told apart by it. */
typedef void zo_piece(void *ctx, size_t i, unsigned member);

typedef struct zo_team {
    unsigned width; /* members at most, 1..ZO_TEAM_MOST */
    /* Returns when every piece is done, the caller being member 0. Pieces start in order. */
    void (*run)(const struct zo_team *t, zo_piece *piece, void *ctx, size_t n);
} zo_team;

static inline unsigned zo_team_width(const zo_team *t) /* NULL: alone */
{
    return t ? t->width : 1;
}

static inline void zo_team_run(const zo_team *t, zo_piece *piece, void *ctx, size_t n)
{
    if (t && n > 1) {
        t->run(t, piece, ctx, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        piece(ctx, i, 0);
}

#endif
