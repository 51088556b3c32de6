using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Drivers;
using Vireo.Homes.VhostUser;
using Vireo.Homes.VhostUser.Protocol;
using Vireo.Linux.Events;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>The front-end against back-ends that do not keep to the rules.</summary>
public sealed class VhostUserFrontEndTests
{
    private static readonly VhostUserFrontEndOptions Impatient = new()
    {
        ReplyTimeout = TimeSpan.FromMilliseconds(300),
    };

    [Fact]
    public void Over_BackEndThatBehaves_LearnsWhatItOffers()
    {
        using ScriptedBackEnd backEnd = new(static (_, _) => false);
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Equal(FeatureSet.Of(CoreFeature.Version1), frontEnd.OfferedFeatures);
        Assert.True(frontEnd.HasProtocolFeatures);
        Assert.Equal(1, frontEnd.ReadQueueCount());
        Assert.Equal(DeviceStatus.None, frontEnd.ReadStatus());
        Assert.True(frontEnd.IsConnected);
    }

    [Fact]
    public void Over_BackEndWithoutProtocolFeatures_AsksForNone()
    {
        using ScriptedBackEnd backEnd = new(
            static (self, request) =>
            {
                if (request == FrontEndRequest.GetFeatures)
                {
                    self.Reply(request, FeatureSet.Of(CoreFeature.Version1).Low);
                    return true;
                }

                return false;
            }
        );
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        frontEnd.AcceptFeatures(FeatureSet.Of(CoreFeature.Version1));

        Assert.Null(frontEnd.ReadQueueCount());
        Assert.False(frontEnd.TryResetDevice());
        Assert.DoesNotContain(FrontEndRequest.GetProtocolFeatures, backEnd.Requests);
        Assert.Throws<DeviceException>(() => frontEnd.ReadConfig(new byte[8]));
    }

    [Fact]
    public void Ask_NoAnswer_EndsTheConnectionInTime()
    {
        using ScriptedBackEnd backEnd = new(static (_, request) => request == FrontEndRequest.GetFeatures);

        DeviceException exception = Assert.Throws<DeviceException>(() =>
            VhostUserFrontEnd.Over(backEnd.Peer, Impatient)
        );

        Assert.Contains("did not answer", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ask_AnswerThatTrickles_EndsTheConnectionInTime()
    {
        using ScriptedBackEnd backEnd = new(
            static (self, request) =>
            {
                // Header and half of the number, and then nothing more.
                bool isAsked = request == FrontEndRequest.GetFeatures;
                if (isAsked)
                {
                    self.Send((uint)request, MessageFlags.Version | MessageFlags.Reply, 8, new byte[4]);
                }

                return isAsked;
            }
        );

        Assert.Throws<DeviceException>(() => VhostUserFrontEnd.Over(backEnd.Peer, Impatient));
    }

    [Theory]
    [InlineData(1, 5, 4, 4)] // shorter than a number
    [InlineData(1, 5, 16, 16)] // longer than a number
    [InlineData(2, 5, 8, 8)] // the answer to something else
    [InlineData(1, 1, 8, 8)] // not marked as an answer
    [InlineData(1, 4, 8, 8)] // without a version
    [InlineData(1, 5, 0x7fffffff, 0)] // longer than any message
    public void Ask_WrongAnswer_EndsTheConnection(uint request, uint flags, uint statedBytes, int payloadBytes)
    {
        using ScriptedBackEnd backEnd = new(
            (self, received) =>
            {
                if (received != FrontEndRequest.GetFeatures)
                {
                    return false;
                }

                self.Send(request, (MessageFlags)flags, statedBytes, new byte[payloadBytes]);
                return true;
            }
        );

        Assert.Throws<DeviceException>(() => VhostUserFrontEnd.Over(backEnd.Peer));
    }

    [Fact]
    public void Ask_BackEndHangsUp_Throws()
    {
        using ScriptedBackEnd backEnd = new(
            static (self, _) =>
            {
                self.Close();
                return true;
            }
        );

        Assert.Throws<DeviceException>(() => VhostUserFrontEnd.Over(backEnd.Peer));
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData(257ul)]
    [InlineData(ulong.MaxValue)]
    public void ReadQueueCount_Impossible_EndsTheConnection(ulong count)
    {
        using ScriptedBackEnd backEnd = Answering(FrontEndRequest.GetQueueCount, count);
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Throws<DeviceException>(() => frontEnd.ReadQueueCount());
        Assert.False(frontEnd.IsConnected);
        Assert.Throws<DeviceException>(() => frontEnd.AcceptFeatures(FeatureSet.Empty));
    }

    [Fact]
    public void ReadStatus_MoreThanAByte_EndsTheConnection()
    {
        using ScriptedBackEnd backEnd = Answering(FrontEndRequest.GetStatus, 0x100);
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Throws<DeviceException>(() => frontEnd.ReadStatus());
    }

    [Fact]
    public void Send_Refused_ThrowsAndTheConnectionLives()
    {
        using ScriptedBackEnd backEnd = Answering(FrontEndRequest.SetFeatures, 1);
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Throws<DeviceException>(() => frontEnd.AcceptFeatures(FeatureSet.Of(CoreFeature.Version1)));
        Assert.True(frontEnd.IsConnected);
    }

    [Fact]
    public void ReadConfig_EmptyAnswer_IsARefusal()
    {
        using ScriptedBackEnd backEnd = new(
            static (self, request) =>
            {
                if (request == FrontEndRequest.GetConfig)
                {
                    self.Reply(request, []);
                    return true;
                }

                return false;
            }
        );
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Throws<DeviceException>(() => frontEnd.ReadConfig(new byte[8]));
        Assert.True(frontEnd.IsConnected);
    }

    [Fact]
    public void ReadConfig_OtherLength_EndsTheConnection()
    {
        using ScriptedBackEnd backEnd = new(
            static (self, request) =>
            {
                if (request == FrontEndRequest.GetConfig)
                {
                    self.Reply(request, new byte[300]);
                    return true;
                }

                return false;
            }
        );
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Throws<DeviceException>(() => frontEnd.ReadConfig(new byte[8]));
        Assert.False(frontEnd.IsConnected);
    }

    [Theory]
    [InlineData(8192ul, 0ul, true)] // longer than the file
    [InlineData(4096ul, 4096ul, true)] // begins where the file ends
    [InlineData(16ul, ulong.MaxValue, true)] // wraps
    [InlineData(4096ul, 0ul, false)] // no descriptor
    public void GetInflight_RegionNotInTheFile_Throws(ulong lengthBytes, ulong fileOffset, bool hasFile)
    {
        using var file = MemoryFile.Create("inflight", 4096);
        using ScriptedBackEnd backEnd = new(
            (self, request) =>
            {
                if (request != FrontEndRequest.GetInflightDescriptor)
                {
                    return false;
                }

                InflightDescription given = new() { LengthBytes = lengthBytes, FileOffset = fileOffset };
                if (hasFile)
                {
                    self.Reply(request, Wire.Bytes(ref given), file.Handle);
                }
                else
                {
                    self.Reply(request, Wire.Bytes(ref given));
                }

                return true;
            }
        );
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Throws<DeviceException>(() => frontEnd.GetInflight(1, 128));
    }

    [Fact]
    public void StopRing_AnswerAboutAnotherRing_EndsTheConnection()
    {
        using ScriptedBackEnd backEnd = new(
            static (self, request) =>
            {
                if (request == FrontEndRequest.GetRingBase)
                {
                    VringState state = new() { Index = 7, Number = 1 };
                    self.Reply(request, Wire.Bytes(ref state));
                    return true;
                }

                return false;
            }
        );
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);

        Assert.Throws<DeviceException>(() => frontEnd.StopRing(0, isPacked: false));
        Assert.False(frontEnd.IsConnected);
    }

    [Fact]
    public void ShareMemory_NotOfAFile_IsRefusedHere()
    {
        using ScriptedBackEnd backEnd = new(static (_, _) => false);
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);
        using Vireo.Core.Memory.OwnedMemory owned = new(4096);
        Vireo.Core.Memory.MappedMemory memory = new([owned.At(new(0))]);

        Assert.Throws<DeviceException>(() => frontEnd.ShareMemory(memory));
        Assert.True(frontEnd.IsConnected);
    }

    [Fact]
    public void ShareMemory_MoreRegionsThanATableHas_GoOneByOneAndComeBack()
    {
        using ScriptedBackEnd backEnd = Answering(FrontEndRequest.GetMaxMemorySlots, 9);
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);
        using var file = MemoryFile.Create("regions", 16 * 4096);

        frontEnd.ShareMemory(Regions(file, 9));
        frontEnd.ShareMemory(Regions(file, 9));

        Assert.Equal(18, backEnd.Requests.Count(static request => request == FrontEndRequest.AddMemoryRegion));
        Assert.Equal(9, backEnd.Requests.Count(static request => request == FrontEndRequest.RemoveMemoryRegion));
        DeviceException exception = Assert.Throws<DeviceException>(() => frontEnd.ShareMemory(Regions(file, 10)));
        Assert.Contains("takes 9 memory regions, and there are 10", exception.Message, StringComparison.Ordinal);
        Assert.True(frontEnd.IsConnected);
    }

    [Fact]
    public void ShareMemory_MoreRegionsThanATableHasAndNoSlots_IsRefusedHere()
    {
        using ScriptedBackEnd backEnd = new(static (_, _) => false) { ProtocolFeatures = FeatureSet.Of(3).Low };
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);
        using var file = MemoryFile.Create("regions", 16 * 4096);

        Assert.Throws<DeviceException>(() => frontEnd.ShareMemory(Regions(file, 9)));
        Assert.True(frontEnd.IsConnected);
    }

    [Fact]
    public void StartRing_BackEndThatBehaves_IsToldEverythingBeforeTheRingIsEnabled()
    {
        using ScriptedBackEnd backEnd = new(static (_, _) => false);
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer);
        using Vireo.Drivers.DriverMemory memory = new(1 << 20);
        frontEnd.ShareMemory(memory.Memory);

        frontEnd.StartRing(
            0,
            new(16, new(0x1_0000_0000), new(0x1_0000_1000), new(0x1_0000_2000)),
            QueueState.Fresh,
            isPacked: false,
            kick: null,
            call: null
        );

        Assert.Equal(
            [
                FrontEndRequest.SetMemoryTable,
                FrontEndRequest.SetRingSize,
                FrontEndRequest.SetRingBase,
                FrontEndRequest.SetRingAddress,
                FrontEndRequest.SetRingCall,
                FrontEndRequest.SetRingKick,
                FrontEndRequest.SetRingEnable,
            ],
            backEnd.Requests[^7..]
        );
    }

    [Theory]
    [InlineData(BackEndRequest.ConfigChange, 0, 0, 0ul)]
    [InlineData(BackEndRequest.ConfigChange, 8, 0, 1ul)]
    [InlineData(BackEndRequest.IotlbMessage, 32, 0, 1ul)]
    [InlineData(BackEndRequest.RingHostNotifier, 24, 1, 1ul)]
    [InlineData(BackEndRequest.RingCall, 8, 0, 1ul)]
    [InlineData(BackEndRequest.RingError, 8, 0, 1ul)]
    [InlineData(BackEndRequest.SharedObjectAdd, 16, 0, 1ul)]
    [InlineData(BackEndRequest.SharedObjectRemove, 16, 0, 1ul)]
    [InlineData(BackEndRequest.SharedObjectLookup, 16, 0, 1ul)]
    [InlineData(BackEndRequest.SharedMemoryMap, 40, 1, 1ul)]
    [InlineData(BackEndRequest.SharedMemoryUnmap, 40, 0, 1ul)]
    [InlineData((BackEndRequest)11, 0, 8, 1ul)]
    public void Request_OfTheBackEnd_IsDoneOrRefused(object request, int payloadBytes, int descriptors, ulong expected)
    {
        using ScriptedBackEnd backEnd = new(static (_, _) => false)
        {
            ProtocolFeatures = FeatureSet.Of(ProtocolFeature.ReplyAck, ProtocolFeature.BackEndRequests).Low,
        };
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer, new() { TakesRequests = true });
        using FrontEnd requests = backEnd.TakeRequestSocket();
        using var file = EventFd.Create();
        int changes = 0;
        frontEnd.ConfigChanged = () => changes++;

        requests.SendRaw(
            (uint)(BackEndRequest)request,
            1 | 8,
            (uint)payloadBytes,
            new byte[payloadBytes],
            [.. Enumerable.Repeat(file.Handle, descriptors)]
        );
        frontEnd.HandleRequests();

        Assert.Equal(expected, Wire.Read<ulong>(requests.Receive((FrontEndRequest)(uint)(BackEndRequest)request)));
        Assert.Equal(expected == 0 ? 1 : 0, changes);
        Assert.NotNull(frontEnd.RequestHandle);
    }

    [Theory]
    [InlineData(0u, 0u, 0)] // of no version
    [InlineData(5u, 8u, 0)] // an answer, and nothing was asked
    [InlineData(1u, 4097u, 0)] // longer than any message
    [InlineData(1u, 0u, 9)] // more descriptors than any message has
    public void Request_OfAnotherForm_ClosesThatSocketOnly(uint flags, uint statedBytes, int descriptors)
    {
        using ScriptedBackEnd backEnd = new(static (_, _) => false)
        {
            ProtocolFeatures = FeatureSet.Of(ProtocolFeature.ReplyAck, ProtocolFeature.BackEndRequests).Low,
        };
        using var frontEnd = VhostUserFrontEnd.Over(backEnd.Peer, new() { TakesRequests = true });
        using FrontEnd requests = backEnd.TakeRequestSocket();
        using var file = EventFd.Create();

        requests.SendRaw(
            (uint)BackEndRequest.ConfigChange,
            flags,
            statedBytes,
            [],
            [.. Enumerable.Repeat(file.Handle, descriptors)]
        );
        frontEnd.HandleRequests();

        requests.ExpectClosed();
        Assert.Null(frontEnd.RequestHandle);
        Assert.True(frontEnd.IsConnected);
    }

    [Fact]
    [Clause("core.drv.001", "core.drv.002", "core.drv.018")]
    public void Status_OfABackEndThatKeepsIt_GoesThroughTheStepsAndBack()
    {
        using ScriptedBackEnd backEnd = new(static (_, _) => false)
        {
            ProtocolFeatures = FeatureSet.Of(ProtocolFeature.ReplyAck, ProtocolFeature.Status).Low,
        };
        const DeviceStatus Known = DeviceStatus.Acknowledge | DeviceStatus.Driver;
        const DeviceStatus Negotiated = Known | DeviceStatus.FeaturesOk;

        using (DriverSession session = Open(backEnd))
        {
            session.StartQueues(1, descriptorsPerRequest: 1);
        }

        Assert.Equal(
            [DeviceStatus.Acknowledge, Known, Negotiated, Negotiated | DeviceStatus.DriverOk, DeviceStatus.None],
            backEnd.Statuses
        );
    }

    [Fact]
    [Clause("core.drv.008", "core.drv.021", "core.drv.022")]
    public void Status_FeaturesOkTakenBack_IsFailedAndNoRingIsSetUp()
    {
        using ScriptedBackEnd backEnd = new(
            static (self, request) =>
            {
                if (request == FrontEndRequest.GetStatus)
                {
                    self.Reply(request, (ulong)(DeviceStatus.Acknowledge | DeviceStatus.Driver));
                    return true;
                }

                return false;
            }
        )
        {
            ProtocolFeatures = FeatureSet.Of(ProtocolFeature.ReplyAck, ProtocolFeature.Status).Low,
        };

        Assert.Throws<DeviceException>(() => Open(backEnd));

        Assert.True(backEnd.Statuses[^1].HasFlag(DeviceStatus.Failed));
        Assert.DoesNotContain(FrontEndRequest.SetMemoryTable, backEnd.Requests);
    }

    /// <summary>Memory in regions of a page with gaps between them; only its description is used.</summary>
    private static Vireo.Core.Memory.MappedMemory Regions(MemoryFile file, int count) =>
        new([
            .. Enumerable
                .Range(0, count)
                .Select(index => new Vireo.Core.Memory.MemoryRegion(
                    new((ulong)index * 8192),
                    4096,
                    0x10000 + index * 8192
                )
                {
                    Backing = new(file.Handle, (ulong)index * 4096),
                }),
        ]);

    private static DriverSession Open(ScriptedBackEnd backEnd) =>
        DriverSession.Open(VhostUserProxy.Over(backEnd.Peer, DeviceType.Entropy), FeatureSet.Empty);

    private static ScriptedBackEnd Answering(FrontEndRequest about, ulong number) =>
        new(
            (self, request) =>
            {
                if (request == about)
                {
                    self.Reply(request, number);
                    return true;
                }

                return false;
            }
        );
}
