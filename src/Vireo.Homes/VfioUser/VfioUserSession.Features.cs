using Vireo.Core.Memory;
using Vireo.Core.Spec;
using Vireo.Homes.VfioUser.Protocol;
using Vireo.Linux;

namespace Vireo.Homes.VfioUser;

/// <summary>Features of the device: migration, and the log of what the device writes.</summary>
internal sealed partial class VfioUserSession
{
    private void ServeFeature(FeatureRequest request, ReadOnlySpan<byte> payload)
    {
        uint index = request.Flags & FeatureRequest.IndexMask;
        uint method = request.Flags & ~FeatureRequest.IndexMask;
        bool canGet =
            index is MigrationFeature.Migration or MigrationFeature.DeviceState or MigrationFeature.LoggingReport;
        bool canSet =
            index is MigrationFeature.DeviceState or MigrationFeature.LoggingStart or MigrationFeature.LoggingStop;
        if (
            !canGet && !canSet
            || (method & FeatureRequest.Set) != 0 && !canSet
            || (method & FeatureRequest.Get) != 0 && !canGet
        )
        {
            throw new RefusalException(Errno.ENOTTY, $"feature {index} is not there, or cannot be used so");
        }

        switch (method)
        {
            case FeatureRequest.Get when index == MigrationFeature.LoggingReport:
                ReportWrites(request, payload[Wire.SizeOf<FeatureRequest>()..]);
                break;
            case FeatureRequest.Set when index == MigrationFeature.LoggingStart:
                StartLog(request, payload[Wire.SizeOf<FeatureRequest>()..]);
                break;
            case FeatureRequest.Set when index == MigrationFeature.LoggingStop:
                StopLog();
                _reply.Append(in request);
                break;
            case FeatureRequest.Get:
                request.ArgumentBytes = (uint)(Wire.SizeOf<FeatureRequest>() + sizeof(ulong));
                _reply.Append(in request);
                AppendFeature(index);
                break;
            case FeatureRequest.Set:
                ReadOnlySpan<byte> data = payload[Wire.SizeOf<FeatureRequest>()..];
                if (!Wire.TryRead(data, out MigrationStateData state))
                {
                    throw new RefusalException($"{data.Length} bytes are no migration state");
                }

                _migration.GoTo(state.State);
                UnparkIfRunning();
                payload.CopyTo(_reply.Append(payload.Length));
                break;
            case FeatureRequest.Probe:
            case FeatureRequest.Probe | FeatureRequest.Get:
            case FeatureRequest.Probe | FeatureRequest.Set:
            case FeatureRequest.Probe | FeatureRequest.Get | FeatureRequest.Set:
                payload.CopyTo(_reply.Append(payload.Length));
                break;
            default:
                throw new RefusalException($"flags 0x{request.Flags:x} ask for nothing that could be done");
        }
    }

    private void StartLog(FeatureRequest request, ReadOnlySpan<byte> payload)
    {
        if (_writes is not null)
        {
            throw new RefusalException(Errno.EBUSY, "what the device writes is being logged already");
        }

        _writes = WriteLog.Start(payload);
        ShowMemory();
        LoggingRequest answer = Wire.Read<LoggingRequest>(payload);
        answer.PageBytes = DirtyLog.PageBytes;
        _reply.Append(in request);
        _reply.Append(in answer);
        ReadOnlySpan<byte> ranges = payload[Wire.SizeOf<LoggingRequest>()..];
        ranges.CopyTo(_reply.Append(ranges.Length));
    }

    private void StopLog()
    {
        WriteLog log = _writes ?? throw new RefusalException("what the device writes is not being logged");
        _writes = null;
        ShowMemory();
        log.Dispose();
    }

    private void ReportWrites(FeatureRequest request, ReadOnlySpan<byte> payload)
    {
        WriteLog log = _writes ?? throw new RefusalException("what the device writes is not being logged");
        if (!Wire.TryRead(payload, out LoggingReport report))
        {
            throw new RefusalException($"{payload.Length} bytes do not say what is to be reported");
        }

        int length = log.ReportBytes(report);
        request.ArgumentBytes = (uint)(Wire.SizeOf<FeatureRequest>() + Wire.SizeOf<LoggingReport>() + length);
        _reply.Append(in request);
        _reply.Append(in report);
        log.Take(report, _reply.Append(length));
    }

    private void UnparkIfRunning()
    {
        if (_migration.IsRunning)
        {
            _served.Unpark();
        }
    }

    private void AppendFeature(uint index)
    {
        if (index == MigrationFeature.Migration)
        {
            _reply.Append(MigrationFeature.StopCopy | MigrationFeature.PreCopy);
        }
        else
        {
            _reply.Append(new MigrationStateData { State = _migration.State, Descriptor = -1 });
        }
    }

    private void ReadState(MigrationDataHeader header)
    {
        if (header.Count > MessageSocket.TransferBytesMax)
        {
            throw new RefusalException($"{header.Count} bytes are more than one message moves");
        }

        ReadOnlySpan<byte> data = _migration.Read((int)header.Count);
        header.Count = (uint)data.Length;
        header.ArgumentBytes = (uint)(Wire.SizeOf<MigrationDataHeader>() + data.Length);
        _reply.Append(in header);
        data.CopyTo(_reply.Append(data.Length));
    }

    private void WriteState(MigrationDataHeader header, ReadOnlySpan<byte> payload)
    {
        ReadOnlySpan<byte> data = payload[Wire.SizeOf<MigrationDataHeader>()..];
        if ((uint)data.Length != header.Count)
        {
            throw new RefusalException($"{data.Length} bytes of state came, where {header.Count} were announced");
        }

        _migration.Write(data);
        _reply.Append(in header);
    }
}
