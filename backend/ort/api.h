// The functions of ONNX Runtime's C API that the Go binding does not wrap and this package calls. Each prototype is checked against the
// runtime's own header when the offsets are generated (see internal/apigen), so neither can drift from it unseen.
#ifndef ASSAY_ORT_API_H
#define ASSAY_ORT_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api_offsets.h"

struct OrtStatus;
struct OrtEnv;
struct OrtAllocator;
struct OrtMemoryInfo;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtIoBinding;
struct OrtValue;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtSequenceTypeInfo;
struct OrtOptionalTypeInfo;
struct OrtMapTypeInfo;
struct OrtKeyValuePairs;
struct OrtEpAssignedSubgraph;
struct OrtEpAssignedNode;

// Enumerations travel as what the compiler makes of them: unsigned int, or int where one of their values is negative.
typedef void (*assay_log_function)(void*, unsigned, const char*, const char*, const char*, const char*);

#define S struct OrtStatus*
typedef unsigned (*fn_GetErrorCode)(const S);
typedef const char* (*fn_GetErrorMessage)(const S);
typedef void (*fn_ReleaseStatus)(S);
typedef S (*fn_CreateEnvWithCustomLogger)(assay_log_function, void*, unsigned, const char*, struct OrtEnv**);
typedef const char* (*fn_GetBuildInfoString)(void);
typedef S (*fn_GetAvailableProviders)(char***, int*);
typedef S (*fn_ReleaseAvailableProviders)(char**, int);
typedef S (*fn_GetAllocatorWithDefaultOptions)(struct OrtAllocator**);
typedef S (*fn_AllocatorFree)(struct OrtAllocator*, void*);
typedef S (*fn_CreateCpuMemoryInfo)(int, int, struct OrtMemoryInfo**);

typedef S (*fn_SessionGetInputCount)(const struct OrtSession*, size_t*);
typedef S (*fn_SessionGetOutputCount)(const struct OrtSession*, size_t*);
typedef S (*fn_SessionGetInputName)(const struct OrtSession*, size_t, struct OrtAllocator*, char**);
typedef S (*fn_SessionGetOutputName)(const struct OrtSession*, size_t, struct OrtAllocator*, char**);
typedef S (*fn_SessionGetInputTypeInfo)(const struct OrtSession*, size_t, struct OrtTypeInfo**);
typedef S (*fn_SessionGetOutputTypeInfo)(const struct OrtSession*, size_t, struct OrtTypeInfo**);
typedef S (*fn_GetOnnxTypeFromTypeInfo)(const struct OrtTypeInfo*, unsigned*);
typedef S (*fn_CastTypeInfoToTensorInfo)(const struct OrtTypeInfo*, const struct OrtTensorTypeAndShapeInfo**);
typedef S (*fn_CastTypeInfoToSequenceTypeInfo)(const struct OrtTypeInfo*, const struct OrtSequenceTypeInfo**);
typedef S (*fn_GetSequenceElementType)(const struct OrtSequenceTypeInfo*, struct OrtTypeInfo**);
typedef S (*fn_CastTypeInfoToOptionalTypeInfo)(const struct OrtTypeInfo*, const struct OrtOptionalTypeInfo**);
typedef S (*fn_GetOptionalContainedTypeInfo)(const struct OrtOptionalTypeInfo*, struct OrtTypeInfo**);
typedef S (*fn_GetTensorElementType)(const struct OrtTensorTypeAndShapeInfo*, unsigned*);
typedef S (*fn_GetDimensionsCount)(const struct OrtTensorTypeAndShapeInfo*, size_t*);
typedef S (*fn_GetDimensions)(const struct OrtTensorTypeAndShapeInfo*, int64_t*, size_t);
typedef S (*fn_GetSymbolicDimensions)(const struct OrtTensorTypeAndShapeInfo*, const char**, size_t);
typedef bool (*fn_TensorTypeAndShape_HasShape)(const struct OrtTensorTypeAndShapeInfo*);
typedef void (*fn_ReleaseTypeInfo)(struct OrtTypeInfo*);
typedef void (*fn_ReleaseTensorTypeAndShapeInfo)(struct OrtTensorTypeAndShapeInfo*);

typedef S (*fn_CreateTensorAsOrtValue)(struct OrtAllocator*, const int64_t*, size_t, unsigned, struct OrtValue**);
typedef S (*fn_GetTensorMutableData)(struct OrtValue*, void**);
typedef S (*fn_GetTensorSizeInBytes)(const struct OrtValue*, size_t*);
typedef S (*fn_GetResizedStringTensorElementBuffer)(struct OrtValue*, size_t, size_t, char**);
typedef S (*fn_GetStringTensorElementLength)(const struct OrtValue*, size_t, size_t*);
typedef S (*fn_GetStringTensorElement)(const struct OrtValue*, size_t, size_t, void*);
typedef S (*fn_CreateValue)(const struct OrtValue* const*, size_t, unsigned, struct OrtValue**);
typedef S (*fn_GetValueType)(const struct OrtValue*, unsigned*);
typedef S (*fn_GetTensorTypeAndShape)(const struct OrtValue*, struct OrtTensorTypeAndShapeInfo**);
typedef S (*fn_HasValue)(const struct OrtValue*, int*);
typedef S (*fn_GetValueCount)(const struct OrtValue*, size_t*);
typedef S (*fn_GetValue)(const struct OrtValue*, int, struct OrtAllocator*, struct OrtValue**);
typedef void (*fn_ReleaseValue)(struct OrtValue*);

typedef S (*fn_Run)(struct OrtSession*, const struct OrtRunOptions*, const char* const*, const struct OrtValue* const*, size_t,
                    const char* const*, size_t, struct OrtValue**);
typedef S (*fn_CreateRunOptions)(struct OrtRunOptions**);
typedef S (*fn_RunOptionsSetTerminate)(struct OrtRunOptions*);
typedef void (*fn_ReleaseRunOptions)(struct OrtRunOptions*);
typedef S (*fn_CreateIoBinding)(struct OrtSession*, struct OrtIoBinding**);
typedef S (*fn_BindInput)(struct OrtIoBinding*, const char*, const struct OrtValue*);
typedef S (*fn_BindOutput)(struct OrtIoBinding*, const char*, const struct OrtValue*);
typedef S (*fn_BindOutputToDevice)(struct OrtIoBinding*, const char*, const struct OrtMemoryInfo*);
typedef S (*fn_GetBoundOutputValues)(const struct OrtIoBinding*, struct OrtAllocator*, struct OrtValue***, size_t*);
typedef S (*fn_RunWithBinding)(struct OrtSession*, const struct OrtRunOptions*, const struct OrtIoBinding*);
typedef void (*fn_ReleaseIoBinding)(struct OrtIoBinding*);

typedef S (*fn_CreateSession)(const struct OrtEnv*, const char*, const struct OrtSessionOptions*, struct OrtSession**);
typedef void (*fn_ReleaseSession)(struct OrtSession*);
typedef S (*fn_SessionOptionsSetLoadCancellationFlag)(struct OrtSessionOptions*, _Bool);
typedef S (*fn_AddFreeDimensionOverrideByName)(struct OrtSessionOptions*, const char*, int64_t);
typedef S (*fn_SessionEndProfiling)(struct OrtSession*, struct OrtAllocator*, char**);
typedef S (*fn_SessionGetProfilingStartTimeNs)(const struct OrtSession*, uint64_t*);
typedef S (*fn_SessionGetMemoryInfoForInputs)(const struct OrtSession*, const struct OrtMemoryInfo**, size_t);
typedef S (*fn_SessionGetMemoryInfoForOutputs)(const struct OrtSession*, const struct OrtMemoryInfo**, size_t);
typedef S (*fn_MemoryInfoGetName)(const struct OrtMemoryInfo*, const char**);
typedef S (*fn_MemoryInfoGetId)(const struct OrtMemoryInfo*, int*);
typedef void (*fn_MemoryInfoGetDeviceType)(const struct OrtMemoryInfo*, unsigned*);
typedef S (*fn_CreateAllocator)(const struct OrtSession*, const struct OrtMemoryInfo*, struct OrtAllocator**);
typedef void (*fn_ReleaseAllocator)(struct OrtAllocator*);
typedef S (*fn_AllocatorGetStats)(const struct OrtAllocator*, struct OrtKeyValuePairs**);
typedef void (*fn_GetKeyValuePairs)(const struct OrtKeyValuePairs*, const char* const**, const char* const**, size_t*);
typedef void (*fn_ReleaseKeyValuePairs)(struct OrtKeyValuePairs*);
typedef S (*fn_Session_GetEpGraphAssignmentInfo)(const struct OrtSession*, const struct OrtEpAssignedSubgraph* const**, size_t*);
typedef S (*fn_EpAssignedSubgraph_GetEpName)(const struct OrtEpAssignedSubgraph*, const char**);
typedef S (*fn_EpAssignedSubgraph_GetNodes)(const struct OrtEpAssignedSubgraph*, const struct OrtEpAssignedNode* const**, size_t*);
typedef S (*fn_EpAssignedNode_GetName)(const struct OrtEpAssignedNode*, const char**);
typedef S (*fn_EpAssignedNode_GetDomain)(const struct OrtEpAssignedNode*, const char**);
typedef S (*fn_EpAssignedNode_GetOperatorType)(const struct OrtEpAssignedNode*, const char**);
#undef S

// ORT(Run) is the function Run of the loaded library's table.
extern const char* assay_api;
#define ORT(name) (*(fn_##name const*)(assay_api + ORT_OFFSET_##name))

#endif
