/* A driver without a GPU: its memory is the CPU's, what is put into a stream is done at once, graphs do nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
typedef unsigned long long Pointer;
enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_FOUND = 500 };

static int live, contexts, pushed, launches;
int stub_live(void) { return live; }
int stub_contexts(void) { return contexts; }
int stub_pushed(void) { return pushed; }
int stub_launches(void) { return launches; }

Result cuInit(unsigned flags) { return SUCCESS; }
Result cuDriverGetVersion(int *version) { *version = 12060; return SUCCESS; }
Result cuDeviceGet(int *device, int ordinal) { *device = ordinal + 7; return ordinal ? INVALID_VALUE : SUCCESS; }
Result cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Orin", length); return SUCCESS; }
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 8 : attribute == 76 ? 7 : attribute == 16 ? 8 : attribute == 18 ? 1 : -1;
  return device == 7 ? SUCCESS : INVALID_VALUE;
}
Result cuDevicePrimaryCtxRetain(void **context, int device) { *context = &contexts; contexts++; return SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int device) { contexts--; return SUCCESS; }
Result cuCtxPushCurrent_v2(void *context) { pushed++; return context == &contexts ? SUCCESS : INVALID_VALUE; }
Result cuCtxPopCurrent_v2(void **context) { pushed--; *context = &contexts; return SUCCESS; }
Result cuMemGetInfo_v2(size_t *free_, size_t *total) { *free_ = 123; *total = 456; return SUCCESS; }
static Result take(void **memory, size_t size) { *memory = calloc(1, size); live++; return SUCCESS; }
static Result give(void *memory) { free(memory); live--; return SUCCESS; }
Result cuMemHostAlloc(void **memory, size_t size, unsigned flags) { return size > 1u << 30 ? 2 : take(memory, size); }
Result cuMemFreeHost(void *memory) { return give(memory); }
Result cuMemHostGetDevicePointer_v2(Pointer *device, void *host, unsigned flags) {
  *device = (Pointer)host;
  return SUCCESS;
}
Result cuMemAlloc_v2(Pointer *device, size_t size) { return take((void **)device, size); }
Result cuMemFree_v2(Pointer device) { return give((void *)device); }
Result cuStreamCreate(void **stream, unsigned flags) { return take(stream, 8); }
Result cuStreamDestroy_v2(void *stream) { return give(stream); }
Result cuStreamSynchronize(void *stream) { return SUCCESS; }
Result cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return SUCCESS; }
Result cuEventCreate(void **event, unsigned flags) { return take(event, 8); }
Result cuEventDestroy_v2(void *event) { return give(event); }
Result cuEventRecord(void *event, void *stream) { return SUCCESS; }
Result cuEventElapsedTime(float *ms, void *start, void *end) { *ms = 1.5f; return SUCCESS; }
Result cuEventElapsedTime_v2(float *ms, void *start, void *end) { return cuEventElapsedTime(ms, start, end); }
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t size, void *stream) {
  memcpy((void *)to, from, size);
  return SUCCESS;
}
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t size, void *stream) {
  memcpy(to, (void *)from, size);
  return SUCCESS;
}
Result cuStreamBeginCapture_v2(void *stream, int mode) { return mode == 1 ? SUCCESS : INVALID_VALUE; }
Result cuStreamEndCapture(void *stream, void **graph) { return take(graph, 8); }
Result cuGraphInstantiateWithFlags(void **exec, void *graph, unsigned long long flags) { return take(exec, 8); }
Result cuGraphLaunch(void *exec, void *stream) { launches++; return SUCCESS; }
Result cuGraphExecDestroy(void *exec) { return give(exec); }
Result cuGraphDestroy(void *graph) { return give(graph); }
Result cuGetErrorString(Result error, const char **text) {
  *text = error == 2 ? "out of memory" : "invalid argument";
  return SUCCESS;
}

Result cuGetProcAddress_v2(const char *name, void **function, int version, unsigned long long flags, void *status) {
  void *self = dlopen("libcuda.so.1", RTLD_NOW);
  char newer[128];
  strcat(strcpy(newer, name), "_v2");
  *function = dlsym(self, newer);
  if (!*function) *function = dlsym(self, name);
  if (status) *(int *)status = *function ? 0 : 1;
  return *function ? SUCCESS : NOT_FOUND;
}
