using Microsoft.Extensions.Logging;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Linux.Vduse;

namespace Vireo.Homes.Vduse;

/// <summary>What the home says about the kernel and the driver behind it.</summary>
internal static partial class VduseLog
{
    [LoggerMessage(400, LogLevel.Information, "waiting to be put on the vDPA bus")]
    public static partial void Waiting(this ILogger logger);

    [LoggerMessage(401, LogLevel.Information, "goes on with a device that is in use; its status is {Status}")]
    public static partial void Resumed(this ILogger logger, DeviceStatus status);

    [LoggerMessage(402, LogLevel.Information, "the driver uses the device with features {Features}")]
    public static partial void DriverIsReady(this ILogger logger, FeatureSet features);

    [LoggerMessage(403, LogLevel.Information, "the driver has reset the device")]
    public static partial void WasReset(this ILogger logger);

    [LoggerMessage(404, LogLevel.Warning, "the driver's features were refused: {Reason}")]
    public static partial void FeaturesRefused(this ILogger logger, string reason);

    [LoggerMessage(405, LogLevel.Warning, "message {Kind} was answered with an error: {Reason}")]
    public static partial void Refused(this ILogger logger, VduseRequestKind kind, string reason);

    [LoggerMessage(406, LogLevel.Warning, "the driver broke queue {QueueIndex}: {Fault}; the device needs a reset")]
    public static partial void RingIsBroken(this ILogger logger, int queueIndex, QueueFault fault);

    [LoggerMessage(407, LogLevel.Error, "the device needs a reset: {Reason}")]
    public static partial void DeviceIsLost(this ILogger logger, string reason);

    [LoggerMessage(408, LogLevel.Warning, "memory of the driver cannot be mapped: {Reason}")]
    public static partial void MappingFailed(this ILogger logger, string reason);

    [LoggerMessage(
        409,
        LogLevel.Information,
        "the device stays on the vDPA bus, where its requests wait; start vireo again to go on, or remove it with 'vireo vdpa del'"
    )]
    public static partial void StaysOnBus(this ILogger logger);

    [LoggerMessage(410, LogLevel.Debug, "message {Request}")]
    public static partial void Received(this ILogger logger, VduseRequest request);

    [LoggerMessage(
        411,
        LogLevel.Information,
        "the kernel's {LengthBytes} bytes of bounce buffers are memory of this process"
    )]
    public static partial void MemoryIsLent(this ILogger logger, ulong lengthBytes);

    [LoggerMessage(412, LogLevel.Warning, "the bounce buffers stay pages of the kernel: {Reason}")]
    public static partial void MemoryIsNotLent(this ILogger logger, string reason);

    [LoggerMessage(413, LogLevel.Warning, "the bounce buffers could not be given back to the kernel: {Reason}")]
    public static partial void MemoryStaysLent(this ILogger logger, string reason);
}
