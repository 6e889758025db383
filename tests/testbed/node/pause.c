// A pod's first process: holds the pod's namespaces open, reaps orphans, ends on a signal.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
    (void)signal;
    _exit(0);
}

static void reap(int signal) {
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

int main(int argc, char **argv) {
    (void)argv;
    // One line for the logs of a pod; the same line for any argument lets a test `exec` without a shell in the image.
    puts("pausing");
    fflush(stdout);
    if (argc > 1) {
        return 0;
    }
    // The kernel drops a signal to a process 1 that has no handler for it, so each has to be asked for.
    signal(SIGINT, end);
    signal(SIGTERM, end);
    signal(SIGCHLD, reap);
    for (;;) {
        pause();
    }
}
