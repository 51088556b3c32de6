using System.Buffers.Binary;
using Vireo.Core.Spec;

namespace Vireo.Cli.Inspect;

/// <summary>Finds what a front-end will stumble over.</summary>
internal static class Remarks
{
    private const int NetMultipleQueues = 22;
    private const int BlockMultipleQueues = 12;
    private const int BlockQueueCountOffset = 34;
    private const int QueueSize = 2;

    private const int Mq = 0;
    private const int LogDescriptor = 1;
    private const int ReplyAck = 3;
    private const int BackEndRequests = 5;
    private const int Config = 9;
    private const int BackEndSendDescriptors = 10;
    private const int Inflight = 12;
    private const int XenMap = 17;

    /// <summary>What is unusual about a back-end, each in a sentence; empty when nothing is.</summary>
    public static IReadOnlyList<string> About(BackEndReport report)
    {
        List<string> remarks = [];
        void Add(bool condition, string remark)
        {
            if (condition)
            {
                remarks.Add(remark);
            }
        }

        Add(
            !report.Features.Contains(CoreFeature.Version1),
            "no VERSION_1: drivers of VIRTIO 1.0 and later refuse the device"
        );
        AddUnknownBits(report, remarks);
        if (!report.HasProtocolFeatures)
        {
            remarks.Add("no protocol features: one queue pair at most, no configuration space, no reconnection");
            return remarks;
        }

        FeatureSet protocol = report.ProtocolFeatures;
        Add(!protocol.Contains(ReplyAck), "no REPLY_ACK: a front-end cannot tell whether a message failed");
        Add(!protocol.Contains(Inflight), "no INFLIGHT_SHMFD: requests in flight are lost when the back-end crashes");
        Add(!protocol.Contains(LogDescriptor), "no LOG_SHMFD: the guest cannot be migrated while it runs");
        Add(
            protocol.Contains(BackEndSendDescriptors) && !protocol.Contains(BackEndRequests),
            "BACKEND_SEND_FD without BACKEND_REQ, the socket it needs"
        );
        Add(protocol.Contains(XenMap), "XEN_MMAP: front-ends that are not Xen must not accept it");
        Add(report.ConfigRefusal is not null, $"CONFIG is offered, but reading failed: {report.ConfigRefusal}");
        if (report.Device is { } device)
        {
            bool lacksConfig = device.ConfigLengthBytes > 0 && !protocol.Contains(Config);
            Add(lacksConfig, $"no CONFIG, though a {device.Name} device has a configuration space");
            AddQueueCounts(report, device, remarks);
        }

        return remarks;
    }

    private static void AddUnknownBits(BackEndReport report, List<string> remarks)
    {
        for (int bit = 0; bit < FeatureSet.BitCount; bit++)
        {
            bool isKnowable = !FeatureNames.IsOfDevice(bit) || report.Device is not null;
            if (report.Features.Contains(bit) && isKnowable && FeatureNames.OfVirtio(bit, report.Device) is null)
            {
                remarks.Add($"feature bit {bit} has no meaning in VIRTIO 1.4 for this device type");
            }

            if (report.ProtocolFeatures.Contains(bit) && FeatureNames.OfProtocol(bit) is null)
            {
                remarks.Add($"protocol feature bit {bit} has no meaning in the vhost-user text");
            }
        }
    }

    private static void AddQueueCounts(BackEndReport report, DeviceDescription device, List<string> remarks)
    {
        int multipleQueues = device.Name switch
        {
            "net" => NetMultipleQueues,
            "block" => BlockMultipleQueues,
            _ => -1,
        };
        if (multipleQueues < 0 || !report.Features.Contains(multipleQueues))
        {
            return;
        }

        if (!report.ProtocolFeatures.Contains(Mq))
        {
            remarks.Add("the device's MQ without the protocol's: a front-end will not use more than one queue or pair");
        }

        bool hasCount = device.Name is "block" && report.Config.Length >= BlockQueueCountOffset + QueueSize;
        if (hasCount && report.QueueCount is { } count)
        {
            ushort configured = BinaryPrimitives.ReadUInt16LittleEndian(report.Config.AsSpan(BlockQueueCountOffset));
            if (configured != count)
            {
                remarks.Add($"the configuration space says {configured} queues, the protocol {count}");
            }
        }
    }
}
