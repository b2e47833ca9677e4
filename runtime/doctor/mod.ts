/**
 * The doctor: finds out what is wrong with a cluster, and says what to do. Each node examines itself
 * and its way to the others (`NodeExaminer`); the cluster puts that together (`checkUp` of
 * `actors/cluster`); the node that was asked judges it (`findProblems`). Where no node runs, the
 * files below `--data` are examined (`examineFiles`).
 *
 * @module
 */
export { clusterDoctor, type ClusterDoctorOptions } from "./cluster_doctor.ts";
export { examineFiles, type FileReport, fileReportSchema } from "./data_folder.ts";
export { findProblems } from "./find_problems.ts";
export { type ExaminerOptions, NodeExaminer, type NodeRegistry } from "./node_examiner.ts";
export { type DoctorReport, doctorReportSchema, type Problem, problemSchema } from "./report.ts";
